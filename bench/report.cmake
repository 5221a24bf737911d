yard_bench(report_bench ENTERS report)
