yard_test(live_test ENTERS base LINKS switchyard)
yard_test(recorder_test ENTERS loop policy)
yard_test(reenact_test ENTERS loop policy LINKS switchyard)
yard_test(place_test ENTERS base LINKS switchyard)
