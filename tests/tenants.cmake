yard_test(fleet_tenants_test ENTERS cost topology yaml LINKS fmt::fmt)
