yard_test(trace_test ENTERS trace base LINKS fmt::fmt)
yard_test(trace_generate_test ENTERS trace base LINKS fmt::fmt)
