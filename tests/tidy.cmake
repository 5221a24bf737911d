yard_test(tidy_test ENTERS tidy_rules)
