yard_test(cost_test ENTERS cost topology LINKS fmt::fmt)
