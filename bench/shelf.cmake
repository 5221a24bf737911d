yard_bench(shelf_bench ENTERS sync base)
