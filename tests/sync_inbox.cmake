yard_test(inbox_stress_test ENTERS base sync)
yard_model(inbox_model)
yard_test(laned_inbox_test ENTERS base sync)
yard_model(laned_inbox_model)
