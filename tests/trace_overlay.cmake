yard_test(trace_overlay_test ENTERS trace base LINKS fmt::fmt)
