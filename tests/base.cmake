yard_test(base_test ENTERS base)
