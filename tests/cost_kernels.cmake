yard_test(kernel_table_test ENTERS cost topology LINKS fmt::fmt)
yard_test(cost_validate_test ENTERS cost topology LINKS switchyard fmt::fmt)
yard_test(cost_predict_test ENTERS cost topology LINKS fmt::fmt)
yard_test(kernel_step_test ENTERS cost topology LINKS fmt::fmt)
