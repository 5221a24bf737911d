# Not a Google Benchmark program: it measures decisions, not time. Its parts are a library for tests/league_test.cpp.
add_library(league_parts STATIC league_bound.cpp league_pages.cpp league_play.cpp league_settings.cpp
                                league_trial.cpp league_workloads.cpp)
target_link_libraries(league_parts PUBLIC yard_flags switchyard yard_backend yard_loop yard_policy yard_trace
                                          yard_report yard_topology yard_cost yard_core yard_base fmt::fmt TBB::tbb)
add_executable(league league.cpp)
target_link_libraries(league PRIVATE league_parts)
