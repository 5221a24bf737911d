yard_test(class_index_test ENTERS backend loop policy core cost base)
