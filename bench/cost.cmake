yard_bench(cost_bench ENTERS cost base)
