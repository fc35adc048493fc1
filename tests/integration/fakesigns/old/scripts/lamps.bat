echo off
lamp /on
lamp /watt 10
lamp /off
echo done
