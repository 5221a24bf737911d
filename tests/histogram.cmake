yard_test(histogram_test ENTERS base)
