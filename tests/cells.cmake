yard_test(cells_test ENTERS backend loop policy core cost topology base LINKS TBB::tbb)
yard_test(fleet_cells_test ENTERS cost topology LINKS fmt::fmt)
yard_test(node_arenas_test ENTERS loop base)
