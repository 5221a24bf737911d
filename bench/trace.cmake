yard_bench(trace_bench ENTERS trace base)
