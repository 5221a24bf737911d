yard_test(crew_test ENTERS base sync)
