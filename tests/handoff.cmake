yard_test(handoff_test ENTERS backend loop policy core cost base)
