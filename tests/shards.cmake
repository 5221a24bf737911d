yard_test(shards_test ENTERS backend loop policy core cost topology base)
yard_test(steal_test ENTERS policy core cost base)
