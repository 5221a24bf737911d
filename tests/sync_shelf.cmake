yard_test(shelf_test ENTERS sync)
yard_test(shelf_order_test ENTERS sync)
yard_test(shelf_stress_test ENTERS sync)
yard_model(shelf_model)
