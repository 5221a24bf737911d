yard_test(operator_profile_test ENTERS cost topology yaml LINKS fmt::fmt)
yard_test(engine_admission_test ENTERS policy core)
yard_test(validate_test ENTERS backend trace cost topology LINKS switchyard fmt::fmt)
