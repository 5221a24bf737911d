find_package(simdjson REQUIRED)
yard_test(topology_test ENTERS topology LINKS fmt::fmt simdjson::simdjson)
yard_test(topology_machine_test ENTERS topology LINKS fmt::fmt)
yard_test(pin_plan_test ENTERS topology LINKS fmt::fmt)
