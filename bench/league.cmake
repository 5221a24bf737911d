# Not a Google Benchmark program: it measures decisions, not time.
add_executable(league league.cpp league_bound.cpp league_pages.cpp league_play.cpp league_trial.cpp
                      league_workloads.cpp)
target_link_libraries(league PRIVATE yard_flags switchyard yard_backend yard_loop yard_policy yard_trace yard_report
                                     yard_topology yard_cost yard_core yard_base fmt::fmt TBB::tbb)
