# tools/tidy: the house rules that a program can check.
add_library(yard_tidy_rules STATIC tidy_rules.cpp tidy_rooms.cpp tidy_split.cpp tidy_repository.cpp)
target_link_libraries(yard_tidy_rules PUBLIC yard_flags)
add_executable(tidy tidy.cpp)
target_link_libraries(tidy PRIVATE yard_tidy_rules fmt::fmt)
