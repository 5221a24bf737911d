yard_bench(replay_bench ENTERS policy base LINKS switchyard fmt::fmt)
