yard_bench(submit_bench ENTERS backend loop policy core cost sync base topology LINKS switchyard)
