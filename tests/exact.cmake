yard_test(exact_test ENTERS backend loop policy trace cost topology core base)
