yard_test(sync_test ENTERS sync)
