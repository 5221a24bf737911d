yard_test(reference_test ENTERS base)
