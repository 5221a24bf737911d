yard_bench(prefix_bench ENTERS core base)
