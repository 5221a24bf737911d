yard_test(paired_test ENTERS report)
yard_test(compare_test LINKS switchyard)
