# Not a Google Benchmark program either: see league.cmake.
add_executable(stealing stealing.cpp)
target_link_libraries(stealing PRIVATE league_parts)
