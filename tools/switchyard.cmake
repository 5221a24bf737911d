find_package(CLI11 REQUIRED)
add_executable(switchyard_cli switchyard.cpp words.cpp verbs_replay.cpp verbs_look.cpp verbs_validate.cpp
                              verbs_explain.cpp verbs_cost.cpp)
set_target_properties(switchyard_cli PROPERTIES OUTPUT_NAME switchyard)
target_compile_definitions(switchyard_cli PRIVATE SWITCHYARD_VERSION="${PROJECT_VERSION}")
target_link_libraries(switchyard_cli PRIVATE switchyard yard_backend yard_topology yard_cost yard_policy
                                             yard_trace yard_base
                                             fmt::fmt CLI11::CLI11)
install(TARGETS switchyard_cli RUNTIME)
