find_package(simdjson REQUIRED)
yard_test(report_test ENTERS report LINKS simdjson::simdjson)
yard_test(meter_test ENTERS report)
yard_test(rows_test ENTERS report)
