yard_test(sync_test ENTERS sync)
yard_test(task_deque_test ENTERS base sync)
yard_test(task_deque_stress_test ENTERS base sync)
