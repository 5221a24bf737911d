yard_test(fleet_tenants_test ENTERS cost topology yaml LINKS fmt::fmt)
yard_test(tenants_test ENTERS policy core cost base)
yard_test(shares_test ENTERS backend loop policy core cost base)
yard_test(overload_test ENTERS policy core cost base)
