yard_test(prefix_index_test ENTERS core base)
yard_test(block_hash_test ENTERS base)
