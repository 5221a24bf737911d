yard_test(adapters_test ENTERS policy core cost base LINKS switchyard)
