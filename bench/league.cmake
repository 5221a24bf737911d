# Not a Google Benchmark program: it measures decisions, not time.
add_executable(league league.cpp)
target_link_libraries(league PRIVATE yard_flags yard_policy switchyard fmt::fmt)
