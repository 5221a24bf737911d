yard_test(trace_prefix_test ENTERS trace base LINKS fmt::fmt ZLIB::ZLIB)
yard_test(trace_agentic_test ENTERS trace base LINKS fmt::fmt ZLIB::ZLIB)
yard_test(trace_servegen_test ENTERS trace base LINKS fmt::fmt)
