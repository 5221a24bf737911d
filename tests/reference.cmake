yard_test(reference_test ENTERS base)
yard_test(reference_placing_test ENTERS base)
yard_test(random_case_test ENTERS base)
