yard_test(terms_input_test ENTERS cost topology yaml LINKS fmt::fmt)
yard_test(law_test ENTERS policy core cost base)
yard_test(money_test ENTERS policy core cost base)
yard_test(power_test ENTERS policy core cost base)
