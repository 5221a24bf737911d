yard_test(fleet_test ENTERS cost topology LINKS fmt::fmt)
yard_test(fleet_input_test ENTERS cost topology yaml LINKS fmt::fmt)
