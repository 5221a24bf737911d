yard_test(embedding_test ENTERS policy core cost base LINKS switchyard)
