yard_test(inbox_stress_test ENTERS base sync)
yard_model(inbox_model)
