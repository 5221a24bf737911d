yard_test(exact_test ENTERS backend loop policy core cost base)
