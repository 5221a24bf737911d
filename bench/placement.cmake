yard_bench(placement_bench ENTERS policy core cost base LINKS fmt::fmt)
