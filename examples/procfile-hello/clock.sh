#!/bin/sh
while true; do
  date
  sleep 10
done
