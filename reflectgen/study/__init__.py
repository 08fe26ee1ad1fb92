"""Ablations: many heads trained on the same traces, measured on the same other traces, in one table with intervals.

A study has a baseline and rows that each change one thing (`sections`). A row's head is trained on the states of a frozen
backbone (`bench`, `methods`) and grades the test traces (`grades`); figures with intervals are made from these grades and
what the store knows (`figures`), and are paired by problem with those of the baseline and of the mean log-prob (`report`).
"""
