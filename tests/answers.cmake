yard_test(answers_test ENTERS policy core cost base LINKS switchyard)
