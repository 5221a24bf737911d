yard_bench(cells_bench ENTERS base LINKS switchyard fmt::fmt)
