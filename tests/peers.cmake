yard_test(refusal_test ENTERS policy core cost base)
yard_test(peers_test ENTERS policy core cost base)
