yard_test(served_test ENTERS backend loop policy core base)
yard_test(load_report_test ENTERS backend loop policy core base)
yard_test(signals_test ENTERS backend loop policy core base)
yard_test(window_test ENTERS backend loop policy core base)
