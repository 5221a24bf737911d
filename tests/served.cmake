yard_test(served_test ENTERS backend loop policy core base)
